"""Speech synthesis: texts in, audio out."""
