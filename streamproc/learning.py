"""From settings to the base learner's configuration, in one place: the trainer and `evaluate` build the same."""

from models.learner import LearnerConfig
from models.privacy import Privacy
from streamproc.settings import Settings


def learner_config(settings: Settings, noise_seed: int, device: str = "cpu") -> LearnerConfig:
    """Configuration of the base learner.

    Parameters
    ----------
    noise_seed
        Of the noise that protects users, where it is on: one that nobody can guess, unless nobody has to be protected.
    device
        Where meta-updates run.
    """
    noise = settings.privacy_noise_multiplier
    privacy = Privacy(settings.privacy_clip, noise, noise_seed) if noise else None
    return LearnerConfig(
        publish_every=settings.publish_every, seed=settings.shuffle_seed, device=device, privacy=privacy
    )
