"""What `hooknet migrate` makes of networks that lease by DHCP already: read, said, and written only when asked for.

What a network becomes is read by the same code that reads it later, so what could not work is said now.
"""
