"""Hours of the real graph, watched for what grows, what is lost and what restarts."""
