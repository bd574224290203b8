"""The browser side of Skysift: it draws, and computes nothing that core/ could."""
