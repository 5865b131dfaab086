"""`hooknet doctor`: what really goes wrong, looked for one by one, each with its remedy.

Rules. It needs no daemon, starts none (of hooknet, of podman or of the reference: a socket is looked at and not
called), changes nothing and takes no lease. Each check looks at the host through `host.Host` alone and answers with
findings; a finding that is a problem always says what to do.
"""
