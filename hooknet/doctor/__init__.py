"""`hooknet doctor`: what really goes wrong, looked for one by one, each with its remedy.

Rules. It needs no daemon, changes nothing, takes no lease, and starts nothing that does not run. Each check looks at
the host through `host.Host` alone and answers with findings; a finding that is a problem always says what to do.
"""
