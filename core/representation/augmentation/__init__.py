"""What may be changed in a picture without making it another object."""
