"""A pipeline file becomes checked settings and parts."""
