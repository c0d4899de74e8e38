"""The main job as parts: sample scans, three nodes with links, a phone and a desk that speak the node's API."""
