"""Images that steps run in: what has to be installed there, and the Dockerfile for it."""
