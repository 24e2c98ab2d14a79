import signal

from hypothesis import HealthCheck, settings

# The machines are shared, and the first use of all of Unicode builds tables for over a second.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# A shell ignores Ctrl-C for what it starts in the background, and programs inherit that; some tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
