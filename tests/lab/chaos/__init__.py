"""Many short lives of containers, while everything around them is killed at random: script/chaos.

The rule that must hold: no address is on two interfaces at any moment, and when the storm is over, what the
DHCP server has leased out is what living containers use, exactly, and nothing of the dead is left: no link,
no process, no descriptor. A seed chooses who does what; the machine chooses when.
"""
