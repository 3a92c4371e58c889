"""MLServer with the same compiled ensemble in the same engine; it is spared the preprocessing."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Fused(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        features = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        (answer,) = self.session.run(["probability"], {"features": features})
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("probability", answer.reshape(-1, 1))]
        )
