"""Service models, one file each (`conf/service`): how long jobs take, and whether they slow each other."""
