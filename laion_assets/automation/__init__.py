"""When things run: sensors, schedules, jobs, conditions."""
