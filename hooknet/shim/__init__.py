"""The executable that container runtimes run (`plugin`), and what writes it where they find it (`install`)."""
