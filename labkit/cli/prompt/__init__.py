"""The prompt of a lab that stays: `labkit shell NAME`."""
