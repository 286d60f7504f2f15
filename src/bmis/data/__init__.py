"""Images, masks and folders of them; what happens to pixels before and after the network."""
