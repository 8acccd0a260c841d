"""What servers compute where requests share them: batches, speeds for users, and the rates that they keep up."""
