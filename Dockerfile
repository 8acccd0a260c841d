# The project in a container, with the versions of constraints.txt. Build it in a clone: docker build --tag server-chains .
# Real runs need torch, here for CPUs:
# docker build --tag server-chains --build-arg EXTRAS=dev,runtime --build-arg INDEX=https://download.pytorch.org/whl/cpu .
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm --recursive /var/lib/apt/lists/*

# Files in a mounted outputs/ belong to this user.
ARG USER_ID=1000
RUN useradd --create-home --uid ${USER_ID} researcher
USER researcher
RUN mkdir /home/researcher/server-chains
WORKDIR /home/researcher/server-chains

# With .git, so that rows name their commit.
COPY --chown=researcher . .
ARG EXTRAS=dev
ARG INDEX=
RUN PIP_EXTRA_INDEX_URL=${INDEX} PIP_NO_CACHE_DIR=1 make .venv/installed EXTRAS=${EXTRAS}

ENV PATH=/home/researcher/server-chains/.venv/bin:${PATH}
CMD ["make", "verify"]
