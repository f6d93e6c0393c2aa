"""Message pages: searched, shown with all that became of it, sent, and followed live."""
