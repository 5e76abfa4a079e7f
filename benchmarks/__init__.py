"Side-by-side speed runs; each prints one JSON line, and a ratio above 1 means that the course's code is better."
