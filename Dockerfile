# The analysis in a container, from the lock file alone: every package is the one whose hash requirements.lock holds.
#
#   docker build -t pipanalysis .
#   docker run --rm --user "$(id -u)" --network none -v "$PWD/my-study:/study" pipanalysis results STUDY=/study
#
# The container needs no network; participants' data stay in the folder that is mounted.
FROM python:3.13-slim-bookworm
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ git make \
  && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home analyst && mkdir /pipanalysis && chown analyst /pipanalysis
ENV XDG_CACHE_HOME=/tmp/pipanalysis-cache
USER analyst
WORKDIR /pipanalysis
COPY --chown=analyst requirements.lock pyproject.toml README.md LICENSE ./
COPY --chown=analyst tools/make-env tools/
COPY --chown=analyst src src
RUN tools/make-env
COPY --chown=analyst . .
RUN touch .venv/made
ENTRYPOINT ["make"]
CMD ["results"]
