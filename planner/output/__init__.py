"""What a plan leaves: card, document, picture, start commands."""
