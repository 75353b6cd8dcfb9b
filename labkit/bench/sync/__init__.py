"""What the rules of many Services cost: to install, to change, to go through."""
