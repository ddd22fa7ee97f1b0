# Asterisk 22 from Debian's packages, with Campanile's dialplan.
FROM debian:sid-slim
# The same user id as in campanile.Dockerfile, so that both may write in the spool; the package takes the user it finds.
RUN groupadd --gid 5060 asterisk && useradd --uid 5060 --gid asterisk --home-dir /var/lib/asterisk asterisk \
 && apt-get update && apt-get install -y --no-install-recommends asterisk asterisk-core-sounds-en-gsm \
 && rm -rf /var/lib/apt/lists/*
COPY dialplan/campanile.conf /etc/asterisk/campanile.conf
RUN echo '#include campanile.conf' >> /etc/asterisk/extensions.conf \
 && printf '[general]\nrtpstart=10000\nrtpend=10099\n' > /etc/asterisk/rtp.conf \
 && install -d -o asterisk -g asterisk -m 2770 /var/spool/asterisk/outgoing /var/spool/asterisk/outgoing_done \
 && install -d -o asterisk -g asterisk -m 2775 /var/run/asterisk && chown -R asterisk:asterisk /var/spool/asterisk
CMD ["asterisk", "-f", "-U", "asterisk", "-G", "asterisk"]
