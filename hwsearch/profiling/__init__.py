"""How the latency of a device becomes a table: designed, measured in shuffled rounds, solved in context, validated.

``covering`` designs the networks, ``profiler`` measures them (``timing`` the rounds), ``in_context`` solves the table,
``validation`` puts it to the test. ``measurement`` times whole networks, ``remote_measurement`` those on other hosts;
``public_tables`` solves the tables of devices that others measured.
"""
