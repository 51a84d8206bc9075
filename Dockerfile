# One image for all processes of Tarmac; the command chooses: node, gateway, console, or any other of
# `tarmac`. It is built by `docker build -t tarmac .`, and runs as a user without rights on a root
# filesystem that may be read-only. Nothing but TARMAC_HOME is written to.
#
# BUILD_IMAGE has Node and npm to build with; RUNTIME_IMAGE needs glibc and libstdc++ only. Node
# itself comes from the lock, checked by its integrity, as everywhere else.
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-progress
COPY . .
RUN node_modules/.bin/node console/build.ts
# What only the pages and `npm start` are made with stays here; docker/image.test.ts holds this list
# against what the processes import. Sources of pages and tests go as well.
RUN npm pkg delete \
      dependencies.@fontsource-variable/inter \
      dependencies.@fontsource-variable/jetbrains-mono \
      dependencies.@solidjs/router \
      dependencies.@tailwindcss/vite \
      dependencies.@tanstack/solid-query \
      dependencies.@tanstack/solid-table \
      dependencies.@tanstack/solid-virtual \
      dependencies.embedded-postgres \
      dependencies.lucide-solid \
      dependencies.solid-js \
      dependencies.tailwindcss \
      dependencies.uplot \
      dependencies.vite \
      dependencies.vite-plugin-solid \
    && npm prune --omit=dev --ignore-scripts --no-progress \
    && mkdir /node && mv node_modules/node-linux-*/bin/node /node/ \
    && rm -rf node_modules/node-linux-* node_modules/.bin node_modules/.package-lock.json \
      node_modules/gpt-tokenizer/src node_modules/gpt-tokenizer/data node_modules/gpt-tokenizer/cjs \
    && mkdir /app.new /app.new/bench /app.new/console /app.new/console/web \
    && mv LICENSE package.json node_modules actors bus cli docker gateway ledger nodes prices \
      readmodel /app.new/ \
    && mv bench/providers /app.new/bench/ \
    && mv console/web/dist /app.new/console/web/ && rm -rf console/web \
    && mv console/* /app.new/console/ \
    && cd /app.new \
    && find . -path ./node_modules -prune -o -type d \( -name testing -o -name e2e \) -print0 \
      | xargs -0 rm -rf \
    && find . -path ./node_modules -prune -o -name '*.test.ts' -print0 | xargs -0 rm -f

FROM ${RUNTIME_IMAGE}
# A user with a name: entries of `tarmac apply` say who made them. Volumes take the owner of the
# directory that they are put on when they are new.
RUN echo 'tarmac:x:10001:10001:Tarmac:/var/lib/tarmac:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'tarmac:x:10001:' >> /etc/group \
    && mkdir -p /var/lib/tarmac && chown 10001:10001 /var/lib/tarmac && chmod 700 /var/lib/tarmac \
    && ln -s /app/docker/start.ts /usr/local/bin/tarmac
COPY --from=build /node/node /usr/local/bin/node
COPY --from=build /app.new /app
WORKDIR /app
ENV NODE_ENV=production TARMAC_HOME=/var/lib/tarmac TARMAC_BIND=0.0.0.0
USER 10001:10001
EXPOSE 8080 8090
ENTRYPOINT ["tarmac"]
CMD ["--help"]
