"""Clusters: customers who are alike in what they do, found by k-means, kept as centres by which anybody is assigned."""
