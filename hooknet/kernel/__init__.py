"""The Linux side: network namespaces, links, addresses, packet sockets, processes. Nothing here knows DHCP's rules.

Functions are synchronous and short, and act on the network namespace of the thread that calls them. The daemon
calls them through `pool.KernelPool`, whose workers enter a container's namespace for one call and leave it again.
Sockets stay in the namespace where they were opened, so they are used from the event loop afterwards.
"""
