"""What recipes select, how selections compare, and whether they train better models."""
