"""The path of packets through a lab: captures, the rules that were met, and what they tell."""
