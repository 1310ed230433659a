"""The parts of `make_documents.py`: a kit for laying out pages, and one module for each kind of document."""
