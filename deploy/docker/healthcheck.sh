#!/bin/bash
# Whether the service in this container lives: GET /livez of port 6380, or of the port that QUIRE_HEALTH_PORT names. Ends with 0 for
# the answer 200, else with 1. Bash asks by itself, so that the image needs no HTTP client.
set -eu

exec 3<> "/dev/tcp/127.0.0.1/${QUIRE_HEALTH_PORT:-6380}"
printf 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]
