"""Service models: the time that jobs take alone and beside each other (`conf/service`)."""
