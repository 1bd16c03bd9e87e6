"""What changed on the monitored servers in one night: pure, the clock and the figures arrive as arguments.

nights   when a person's mail is due, through changes of the clocks
report   findings, suggestions and sums of two windows -> Report
"""
