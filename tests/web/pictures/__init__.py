"""The pictures of docs/images: pages of a Postrider that a made-up shop platform runs, as a browser shows them."""
