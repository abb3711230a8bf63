"""Notices sources that stop sending."""
