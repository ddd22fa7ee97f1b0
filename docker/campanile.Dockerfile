FROM node:22-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 5060 asterisk && useradd --uid 5060 --gid asterisk --create-home asterisk
WORKDIR /opt/campanile
COPY . .
RUN node scripts/ready.mjs
USER asterisk
CMD ["node", "dist/src/cli/campanile.js", "serve"]
