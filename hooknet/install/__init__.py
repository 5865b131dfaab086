"""`hooknet install` and `hooknet uninstall`: what they change is data, planned first and then carried out.

Rules. A plan is made by looking only; `--dry-run` prints it, and nothing else happens. What is there and is not
hooknet's is never overwritten. Everything that is made is written down (`record.py`), so that `uninstall` takes away
exactly that, and what was there before is as it was. Running it twice plans nothing.
"""
