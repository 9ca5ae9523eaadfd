"""A local stand-in for the mail provider: what the shop sends ends up in files that can be read at /mail/.

`server` takes the mail over SMTP (a process of `make run`), `store` keeps it, `views` show it. Never in production.
"""
