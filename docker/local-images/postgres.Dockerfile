# Debian's Postgres, taking the variables of the official image that docker-compose.yml uses.
ARG BASE
FROM ${BASE}
RUN groupadd -r postgres --gid 999 \
    && useradd -r -g postgres --uid 999 --home-dir /var/lib/postgresql postgres \
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql \
    && apt-get update -q && apt-get install -q -y --no-install-recommends postgresql-common \
    && sed -i 's/^#create_main_cluster.*/create_main_cluster = false/' \
      /etc/postgresql-common/createcluster.conf \
    && apt-get install -q -y --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql
ENV PATH=$PATH:/usr/lib/postgresql/15/bin PGDATA=/var/lib/postgresql/15/docker
# Makes the data once, under another name first; then becomes the server. By hand in one line, so
# that the context needs nothing.
RUN printf '%s\n' '#!/bin/bash' 'set -euo pipefail' \
      'if [ ! -s "$PGDATA/PG_VERSION" ]; then' \
      '  rm -rf "$PGDATA.new" && mkdir -p "$PGDATA.new"' \
      '  initdb -D "$PGDATA.new" -U "${POSTGRES_USER:-postgres}" --auth=scram-sha-256 \' \
      '    --pwfile=<(printf "%s\n" "${POSTGRES_PASSWORD:?is not set}") ${POSTGRES_INITDB_ARGS:-}' \
      '  echo "host all all all scram-sha-256" >> "$PGDATA.new/pg_hba.conf"' \
      '  if [ "${POSTGRES_DB:-postgres}" != postgres ]; then' \
      '    echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -jE -D "$PGDATA.new" postgres' \
      '  fi' \
      '  mv "$PGDATA.new" "$PGDATA"' \
      'fi' \
      '[ "${1:-postgres}" = postgres ] && shift' \
      'exec postgres -D "$PGDATA" -c listen_addresses="*" "$@"' \
      > /usr/local/bin/docker-entrypoint.sh && chmod 755 /usr/local/bin/docker-entrypoint.sh
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
