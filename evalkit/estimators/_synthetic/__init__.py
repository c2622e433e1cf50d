"""What the synthetic designs share: weights, recipes, inference, and the way from a Panel to an Estimate."""
