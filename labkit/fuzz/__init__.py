"""Random clusters, built in a lab that stays, and every flow of them held against the model."""
