# Node and npm to build Tarmac's image with. The context holds both as npm packs them.
ARG BASE
FROM ${BASE}
ADD node.tgz /opt/node/
ADD npm.tgz /opt/npm/
# npm trusts what the system trusts.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN ln -s /opt/node/package/bin/node /usr/local/bin/node \
    && ln -s /opt/npm/package/bin/npm-cli.js /usr/local/bin/npm
