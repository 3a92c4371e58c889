#!/bin/sh
# Run once by the image, when it has made an empty cluster: the other databases, and the role that owns Katib's.
psql --username "$POSTGRES_USER" --set ON_ERROR_STOP=1 --set user="$KATIB_USER" --set password="$KATIB_PASSWORD" --dbname postgres <<'SQL'
CREATE DATABASE auth;
CREATE ROLE :"user" LOGIN PASSWORD :'password';
CREATE DATABASE katib OWNER :"user";
SQL
