"""The control API: HTTP/1.1 and JSON on control.sock, for people, their scripts and their monitoring.

`sources` says what the daemon must be able to tell, `shapes` what of it is shown and how, `openapi`
describes that to programs, `access` who may do what, `server` puts them together.
docs/reference/control-api.md is the manual.
"""
