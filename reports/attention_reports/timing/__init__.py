"""How fast the implementations are: the section of the page, and its pictures."""
