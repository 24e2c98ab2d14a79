from hypothesis import HealthCheck, settings

# The machines are shared, and the first use of all of Unicode builds tables for over a second.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
