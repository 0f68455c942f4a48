"""Forms in which a job's figures go to where people already look: one module per form."""
