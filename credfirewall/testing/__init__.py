"""For the tests of projects that use credfirewall: no test makes a live call."""
