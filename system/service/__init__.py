"""Service models: how long requests take, alone and beside each other (`conf/service`)."""
