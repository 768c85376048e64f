"""The sections of the page, in files named by what each shows."""
