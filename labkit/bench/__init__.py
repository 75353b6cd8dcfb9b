"""What labs, probes and rules cost, measured beside the least that they can cost and beside others.

Every comparison is a ratio of two contestants that took turns in one run, on one machine. What was
measured is data (`results`), and tables and plots are made from that alone.
"""
