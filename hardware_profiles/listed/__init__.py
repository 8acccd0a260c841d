"""Listed servers: a fixed cluster, given entry by entry by GPU, count and place in the network."""
