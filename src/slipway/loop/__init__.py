"""The template's: one module for each verb of the loop."""
